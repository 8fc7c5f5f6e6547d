import {
  encodeInstruction,
  type Instruction,
  InstructionParser,
} from '../../recorder/broker/desktop/instruction.ts'

/** An instruction as it comes from guacd. */
export function made(opcode: string, ...args: readonly (string | number)[]): Instruction {
  const [one] = new InstructionParser().push(encodeInstruction(opcode, ...args.map(String)))
  if (one === undefined) throw new Error('no instruction')
  return one
}

/** Draws `letter` at `x`: the picture of a desktop that is one line of letters. */
export const draw = (x: number, letter: string, stream = 1): readonly Instruction[] => [
  made('img', stream, 12, 0, 'image/png', x, 0),
  made('blob', stream, letter),
  made('end', stream),
]
/** Copies `length` letters from one place to another. */
export const copy = (from: number, length: number, to: number): readonly Instruction[] => [
  made('copy', 0, from, 0, length, 1, 12, 0, to, 0),
]
export const sync = (time: number): Instruction => made('sync', time)

/** The desktop as whoever draws these instructions on a fresh display sees it. */
export function seen(bytes: Uint8Array | readonly Instruction[]): string {
  const list = bytes instanceof Uint8Array ? new InstructionParser().push(bytes) : bytes
  let letters: string[] = []
  const open = new Map<string, { readonly x: number; text: string }>()
  for (const { opcode, args } of list) {
    const [first = ''] = args
    if (opcode === 'size') letters = Array.from({ length: Number(args[1]) }, (_, at) => letters[at] ?? '.')
    else if (opcode === 'img') open.set(first, { x: Number(args[4]), text: '' })
    else if (opcode === 'blob') (open.get(first) ?? { text: '' }).text += args[1] ?? ''
    else if (opcode === 'end') {
      const { x, text } = open.get(first) ?? { x: 0, text: '' }
      for (const [at, letter] of [...text].entries()) letters[x + at] = letter
      open.delete(first)
    } else if (opcode === 'copy') {
      const [from, length, to] = [Number(args[1]), Number(args[3]), Number(args[7])]
      const moved = letters.slice(from, from + length)
      for (const [at, letter] of moved.entries()) letters[to + at] = letter
    }
  }
  return letters.join('')
}
