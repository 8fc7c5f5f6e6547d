/** What of pdfkit is used: it has no types of its own. */
declare module 'pdfkit' {
  type TextOptions = {
    readonly width?: number
    readonly height?: number
    readonly lineBreak?: boolean
    readonly lineGap?: number
    readonly align?: 'left' | 'right' | 'center'
  }
  export default class PDFDocument {
    constructor(options: {
      readonly size: string
      readonly layout: 'landscape' | 'portrait'
      readonly margin: number
      readonly compress: boolean
      readonly pdfVersion: string
      readonly lang: string
      readonly displayTitle: boolean
      readonly bufferPages: boolean
      readonly font: null
      readonly info: Readonly<Record<string, string | Date>>
    })
    readonly page: { readonly width: number; readonly height: number }
    y: number
    on(event: 'data', heard: (chunk: Uint8Array) => void): this
    on(event: 'end', heard: () => void): this
    on(event: 'error', heard: (error: Error) => void): this
    registerFont(name: string, bytes: Uint8Array): this
    font(name: string): this
    fontSize(size: number): this
    fillColor(colour: string): this
    strokeColor(colour: string): this
    lineWidth(width: number): this
    moveTo(x: number, y: number): this
    lineTo(x: number, y: number): this
    stroke(): this
    text(text: string, x: number, y: number, options?: TextOptions): this
    heightOfString(text: string, options?: TextOptions): number
    widthOfString(text: string): number
    addPage(): this
    bufferedPageRange(): { readonly start: number; readonly count: number }
    switchToPage(page: number): this
    file(
      bytes: Uint8Array,
      options: {
        readonly name: string
        readonly type: string
        readonly description: string
        readonly creationDate: Date
        readonly modifiedDate: Date
      },
    ): this
    end(): void
  }
}
