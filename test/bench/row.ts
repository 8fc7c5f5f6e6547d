/** One measured figure, as `npm run bench` prints it. `peer` is what was measured beside it in the same run. */
export type Row = {
  readonly what: string
  readonly figure: number
  readonly unit: string
  /** What design asks for, in words. */
  readonly reach: string
  readonly peer?: string
}
