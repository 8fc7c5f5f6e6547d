import PDFDocument from 'pdfkit'
import type { ReportDocument, ReportTable } from '../../vault/contract.ts'

/**
 * A report as a PDF, for people and printers. The same report gives the same bytes, in Node and in browsers: so whoever has the
 * report can draw it again, and see whether a PDF says what was signed.
 */

/** In the PDF's own facts: what of two drawings differs is then known. */
export const producer = 'Tagout report 1'

export type ReportFonts = { readonly regular: Uint8Array; readonly bold: Uint8Array }

const margin = 36
const sizes = { title: 18, heading: 12, text: 9, cell: 6.5 } as const
const colours = { text: '#151515', quiet: '#4d4d4d', line: '#8a8d90' } as const
const pad = 3
/** Characters of a cell that are drawn; the report has all of them. */
const longest = 600

/** Draws a report. `document` is what was signed. */
export async function reportPdf(document: ReportDocument, fonts: ReportFonts): Promise<Uint8Array> {
  const made = new Date(document.madeAt)
  const pdf = new PDFDocument({
    size: 'A4',
    layout: 'landscape',
    margin,
    // Not compressed: two programs that compress alike are two versions of one.
    compress: false,
    pdfVersion: '1.7',
    lang: 'en',
    displayTitle: true,
    bufferPages: true,
    font: null,
    info: {
      Title: `${document.title} · ${document.installation}`,
      Author: document.madeBy,
      Producer: producer,
      Creator: 'Tagout',
      CreationDate: made,
    },
  })
  const written = bytesOf(pdf)
  pdf.registerFont('regular', fonts.regular).registerFont('bold', fonts.bold)
  drawHead(pdf, document)
  for (const table of document.tables) drawTable(pdf, table)
  drawFeet(pdf, document)
  pdf.end()
  return written
}

function bytesOf(pdf: PDFDocument): Promise<Uint8Array> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array[] = []
    pdf
      .on('data', (chunk) => chunks.push(chunk))
      .on('error', reject)
      .on('end', () => {
        const bytes = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0))
        let at = 0
        for (const chunk of chunks) {
          bytes.set(chunk, at)
          at += chunk.length
        }
        resolve(bytes)
      })
  })
}

const widthOf = (pdf: PDFDocument) => pdf.page.width - 2 * margin
const bottomOf = (pdf: PDFDocument) => pdf.page.height - margin - 16

function drawHead(pdf: PDFDocument, document: ReportDocument): void {
  const width = widthOf(pdf)
  pdf.y = margin
  say(pdf, 'bold', sizes.title, document.title)
  say(pdf, 'regular', sizes.text + 1, document.question)
  pdf.y += 4
  const facts: readonly (readonly [string, string])[] = [
    ['Time', `${document.from} to ${document.to}`],
    ['Machine', document.target ?? 'all'],
    ['Installation', document.installation],
    ['Made', `${document.madeAt} by ${document.madeBy}`],
    ['Evidence for', document.clauses.join('; ')],
    ...document.facts.map(({ name, value }) => [sentence(name), value] as const),
  ]
  for (const [name, value] of facts) {
    pdf.font('regular').fontSize(sizes.text)
    const height = pdf.heightOfString(shown(value), { width: width - 200 })
    room(pdf, height)
    const { y } = pdf
    pdf.font('bold').fillColor(colours.quiet).text(name, margin, y, { width: 190 })
    pdf
      .font('regular')
      .fillColor(colours.text)
      .text(shown(value), margin + 200, y, { width: width - 200 })
    pdf.y = Math.max(pdf.y, y + height) + 2
  }
}

function sentence(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}`
}

function say(pdf: PDFDocument, font: 'regular' | 'bold', size: number, text: string): void {
  pdf.font(font).fontSize(size).fillColor(colours.text)
  room(pdf, pdf.heightOfString(shown(text), { width: widthOf(pdf) }))
  pdf.text(shown(text), margin, pdf.y, { width: widthOf(pdf) })
}

/** A new page where there is no room for what comes next. */
function room(pdf: PDFDocument, height: number): boolean {
  if (pdf.y + height <= bottomOf(pdf)) return false
  pdf.addPage()
  pdf.y = margin
  return true
}

function drawTable(pdf: PDFDocument, table: ReportTable): void {
  pdf.y += 10
  room(pdf, 60)
  say(pdf, 'bold', sizes.heading, table.title)
  say(pdf, 'regular', sizes.text, table.about)
  pdf.y += 2
  if (table.rows.length === 0) {
    say(pdf, 'regular', sizes.text, 'There is nothing to list.')
    return
  }
  const widths = columnWidths(pdf, table)
  drawRow(pdf, 'bold', widths, table.columns)
  for (const row of table.rows) {
    const height = heightOf(pdf, widths, row)
    if (room(pdf, height)) drawRow(pdf, 'bold', widths, table.columns)
    drawRow(pdf, 'regular', widths, row)
  }
  if (table.left > 0)
    say(pdf, 'bold', sizes.text, `${table.left} older ones are left out: choose a shorter time.`)
}

/** What each column takes of the width: room for its longest word, and of the rest as its texts ask for. */
function columnWidths(pdf: PDFDocument, { columns, rows }: ReportTable): readonly number[] {
  pdf.font('bold').fontSize(sizes.cell)
  const looked = rows.slice(0, 300)
  const asked = columns.map((name, place) => {
    let [least, sum] = [widestWord(pdf, name), 0]
    for (const row of looked) {
      const text = shown(row[place] ?? '')
      least = Math.max(least, widestWord(pdf, text))
      sum += Math.min(260, pdf.widthOfString(text.slice(0, 120)))
    }
    const mean = sum / Math.max(1, looked.length)
    return { least: least + 2 * pad + 1, more: Math.max(0, mean - least) }
  })
  const least = asked.reduce((sum, one) => sum + one.least, 0)
  const more = asked.reduce((sum, one) => sum + one.more, 0)
  const rest = widthOf(pdf) - least
  if (rest < 0) return asked.map((one) => (one.least * widthOf(pdf)) / least)
  return asked.map((one) => one.least + (more === 0 ? rest / asked.length : (rest * one.more) / more))
}

/** Of words that are longer, one is broken. */
const widest = 116

function widestWord(pdf: PDFDocument, text: string): number {
  return Math.max(
    0,
    ...text
      .slice(0, 120)
      .split(/[ /-]/)
      .map((word) => Math.min(widest, pdf.widthOfString(word))),
  )
}

function heightOf(pdf: PDFDocument, widths: readonly number[], row: readonly string[]): number {
  pdf.font('regular').fontSize(sizes.cell)
  return (
    Math.max(
      sizes.cell,
      ...widths.map((width, place) =>
        pdf.heightOfString(shown(row[place] ?? ''), { width: width - 2 * pad }),
      ),
    ) +
    2 * pad
  )
}

function drawRow(
  pdf: PDFDocument,
  font: 'regular' | 'bold',
  widths: readonly number[],
  row: readonly string[],
): void {
  const { y } = pdf
  const height = heightOf(pdf, widths, row)
  pdf.font(font).fontSize(sizes.cell).fillColor(colours.text)
  let x = margin
  for (const [place, width] of widths.entries()) {
    pdf.text(shown(row[place] ?? ''), x + pad, y + pad, { width: width - 2 * pad })
    x += width
  }
  pdf
    .lineWidth(font === 'bold' ? 0.8 : 0.3)
    .strokeColor(colours.line)
    .moveTo(margin, y + height)
    .lineTo(margin + widthOf(pdf), y + height)
    .stroke()
  pdf.y = y + height
}

/** What is drawn of a text: one line of what the fonts have; what else there is, the report has. */
function shown(text: string): string {
  const line = text.replaceAll(/[\s\p{C}]+/gu, ' ')
  return line.length > longest ? `${line.slice(0, longest)} …` : line
}

function drawFeet(pdf: PDFDocument, document: ReportDocument): void {
  const { start, count } = pdf.bufferedPageRange()
  for (let page = start; page < start + count; page += 1) {
    pdf.switchToPage(page)
    pdf
      .font('regular')
      .fontSize(sizes.cell)
      .fillColor(colours.quiet)
      .text(
        `Tagout · ${document.title} · ${document.madeAt} · page ${page + 1} of ${count} · what was signed is report.json beside it: tagout verify`,
        margin,
        pdf.page.height - margin - 8,
        { width: widthOf(pdf), height: 10, lineBreak: false },
      )
  }
}
