import type { Page } from 'playwright-core'

/** A place of a desktop's picture, in its pixels. */
export type Place = {
  readonly x: number
  readonly y: number
  readonly width: number
  readonly height: number
}

/** How many of the pixels that are drawn are not black. */
export function drawn(where: Page, test: string): Promise<number> {
  return where.getByTestId(test).evaluate((host) => {
    let lit = 0
    for (const canvas of host.querySelectorAll('canvas')) {
      const context = canvas.getContext('2d')
      if (context === null || canvas.width * canvas.height < 10_000) continue
      const { data } = context.getImageData(0, 0, canvas.width, canvas.height)
      for (let at = 0; at < data.length; at += 4)
        if ((data[at] ?? 0) + (data[at + 1] ?? 0) + (data[at + 2] ?? 0) > 60) lit += 1
    }
    return lit
  })
}

/** A number that stands for every pixel of a desktop's own picture (FNV-1a): the same for the same picture. */
export function pixelsOf(where: Page, test: string): Promise<number> {
  return where.getByTestId(test).evaluate((host) => {
    let hash = 0x811c9dc5
    for (const canvas of host.querySelectorAll('canvas')) {
      const context = canvas.getContext('2d')
      if (context === null || canvas.width * canvas.height < 10_000) continue
      for (const value of context.getImageData(0, 0, canvas.width, canvas.height).data)
        hash = Math.imul(hash ^ value, 0x01000193) >>> 0
    }
    return hash
  })
}

/** The colours that a desktop's own picture has in a place: what lies over it in the page does not count. */
export function coloursIn(where: Page, test: string, place: Place): Promise<readonly string[]> {
  return where.getByTestId(test).evaluate((host, { x, y, width, height }) => {
    const found = new Set<string>()
    for (const canvas of host.querySelectorAll('canvas')) {
      const context = canvas.getContext('2d')
      if (context === null || canvas.width * canvas.height < 10_000) continue
      const { data } = context.getImageData(x, y, width, height)
      for (let at = 0; at < data.length; at += 4) found.add(data.subarray(at, at + 3).join(','))
    }
    return [...found]
  }, place)
}
