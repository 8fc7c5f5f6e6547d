import { join } from 'node:path'
import type { Locator, Page } from 'playwright-core'
import type { ConsoleStage } from './console-stage.ts'

/** Opens a recording in the browser of the stage's auditor, with her key. */
export async function openInPlayer(
  page: Page,
  { room, installation }: Pick<ConsoleStage, 'room' | 'installation'>,
  recording: string,
): Promise<void> {
  await page.goto(`${installation.console}/recordings/${recording}`)
  await page.getByRole('button', { name: 'Open my key' }).click()
  await page.locator('input[type=file]').setInputFiles(join(room, 'auditor.key'))
  await page.getByLabel('Passphrase').fill('birch lantern 8851')
  await page.getByRole('button', { name: 'Open', exact: true }).click()
  await page.getByTestId('screen').waitFor()
}

/** The player's dialog of videos. */
export function videoDialog(page: Page): Locator {
  return page.getByRole('dialog', { name: 'Save as video' })
}

/** Saves a video of the recording that the player shows as `path`; the dialog stays. Answers the name that the browser was given, and the length by the player. */
export async function savedVideo(
  page: Page,
  path: string,
): Promise<{ readonly path: string; readonly seconds: number; readonly suggested: string }> {
  const [, length = ''] = ((await page.getByTestId('position').textContent()) ?? '').split(' / ')
  const seconds = length.split(':').reduce((sum, part) => sum * 60 + Number(part), 0)
  await page.getByRole('button', { name: 'Save as video' }).click()
  const saving = page.waitForEvent('download', { timeout: 90_000 })
  await videoDialog(page).getByRole('button', { name: 'Save', exact: true }).click()
  const download = await saving
  await videoDialog(page).getByText('The video is saved.').waitFor()
  await download.saveAs(path)
  return { path, seconds, suggested: download.suggestedFilename() }
}

/** What part of a desktop of 800 pixels' width lies under an element (width, height, left, top), and how high its letters are seen. */
export async function overPicture(
  element: Locator,
): Promise<{ readonly part: readonly number[]; readonly letters: number }> {
  return element.evaluate((one) => {
    // A canvas is larger than its layer, which clips it.
    const layer = one.parentElement?.querySelector('canvas')?.parentElement
    if (layer === null || layer === undefined) throw new Error('there is no picture under it')
    const [over, all] = [one.getBoundingClientRect(), layer.getBoundingClientRect()]
    const parts = [
      over.width / all.width,
      over.height / all.height,
      (over.x - all.x) / all.width,
      (over.y - all.y) / all.height,
    ]
    const letters = Number.parseFloat(getComputedStyle(one).fontSize) * (all.width / 800)
    return { part: parts.map((part) => Math.round(part * 100) / 100), letters: Math.round(letters) }
  })
}
