import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Draw } from '../../recorder/evidence/report.ts'
import { reportPdf } from '../../recorder/evidence/report-pdf.ts'

const folder = join(import.meta.dirname, '..', '..', 'recorder', 'evidence', 'fonts')

/** Draws reports with the fonts that lie in the repository. */
export const drawReport: Draw = async (document) =>
  reportPdf(document, {
    regular: await readFile(join(folder, 'DejaVuSans.ttf')),
    bold: await readFile(join(folder, 'DejaVuSans-Bold.ttf')),
  })
