import { readFileSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import type { Browser, Page } from 'playwright-core'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { type Frame, desktopKeyframes, seekDesktop } from '../../recorder/replay/index.ts'
import { launchBrowser, whyNoBrowser } from '../support/console-browser.ts'
import { type DesktopGateway, openDesktopEnd, startDesktopGateway, vncAccount } from '../support/desktop.ts'
import { until } from '../support/installation.ts'
import { startVnc, type VncServer, whyNoDesktop } from '../support/vnc.ts'

/** Keyframes of the real guacd, drawn by the player's own library: pixel by pixel what was drawn before them. */

vi.setConfig({ testTimeout: 400_000, hookTimeout: 120_000 })
const why = whyNoBrowser() ?? whyNoDesktop()
if (why !== undefined) console.warn(`not tested in a browser: keyframes of desktops: ${why}`)
const library = createRequire(import.meta.url).resolve('guacamole-common-js')

/** The upper half of the screen but for its edges: what scrolls goes through it. */
const mask = { unit: 'pixels', x: 100, y: 60, width: 500, height: 240 } as const
let vnc: VncServer
let desk: DesktopGateway
let browser: Browser
let page: Page

beforeAll(async () => {
  if (why !== undefined) return
  vnc = await startVnc('Kanarie7')
  desk = await startDesktopGateway()
  desk.gateway.vault.accounts.push(
    vncAccount(vnc),
    vncAccount(vnc, { target: 'masked', mask: { regions: [mask], reason: 'recipe' } }),
  )
  browser = await launchBrowser()
  page = await browser.newPage()
  const text = readFileSync(library, 'utf8')
  await page.addScriptTag({ content: `var module = {};${text};window.Guacamole = Guacamole;` })
})
afterAll(async () => {
  await browser?.close()
  await desk?.[Symbol.asyncDispose]()
  await vnc?.[Symbol.asyncDispose]()
})

/** Letters all over the screen, again and again, and no scrolling, until a file is there. */
const film = (file: string) =>
  `until [ -e ${file} ]; do printf '\\033[H'; head -c 3000 /dev/urandom | base64 -w 130; sleep 0.1; done\n`
/** A key to interrupt a loop may fall between two of its programs, and ends one of them alone. */
const endLoop = (file: string) => writeFileSync(join(vnc.home, file), '')

/**
 * Draws instructions on a fresh display; answers its size, whether there is anything, and how many of its pixels are another
 * than those of the one drawn before. guacd sends what changes often with losses, and a whole picture without.
 */
const drawn = (list: readonly Uint8Array[]) =>
  page.evaluate(async (text) => {
    type Shown = { flatten(): HTMLCanvasElement; flush(done: () => void): void }
    type Of = {
      Tunnel: new () => {
        connect: () => void
        sendMessage: () => void
        oninstruction: (opcode: string, args: string[]) => void
      }
      Client: new (tunnel: unknown) => { connect(): void; getDisplay(): Shown }
      Parser: new () => {
        oninstruction: (opcode: string, args: string[]) => void
        receive(text: string): void
      }
    }
    const { Tunnel, Client, Parser } = (window as unknown as { Guacamole: Of }).Guacamole
    const tunnel = new Tunnel()
    tunnel.connect = () => undefined
    tunnel.sendMessage = () => undefined
    const client = new Client(tunnel)
    client.connect()
    const parser = new Parser()
    // The mouse is not part of the picture.
    parser.oninstruction = (opcode, args) => {
      if (opcode !== 'mouse' && opcode !== 'cursor') tunnel.oninstruction(opcode, args)
    }
    parser.receive(text)
    await new Promise<void>((resolve) => client.getDisplay().flush(resolve))
    const canvas = client.getDisplay().flatten()
    const { data } = canvas.getContext('2d')?.getImageData(0, 0, canvas.width, canvas.height) ?? { data: [] }
    const keep = window as unknown as { before?: ArrayLike<number> }
    const { before = [] } = keep
    let [lit, other, readable] = [0, 0, 0]
    for (let at = 0; at < data.length; at += 4) {
      let difference = 0
      for (let colour = at; colour < at + 3; colour += 1)
        difference = Math.max(difference, Math.abs((data[colour] ?? 0) - (before[colour] ?? 0)))
      if (difference > 100) other += 1
      if ((data[at] ?? 0) > 60) lit += 1
      const [x, y] = [(at / 4) % canvas.width, Math.floor(at / 4 / canvas.width)]
      const isGrey = [0, 1, 2].every((colour) => data[at + colour] === 90)
      if (x >= 100 && x < 600 && y >= 60 && y < 300 && !isGrey) readable += 1
    }
    keep.before = data
    return { width: canvas.width, height: canvas.height, lit: lit > 10_000, other, readable }
  }, Buffer.concat(list).toString('latin1'))

test.skipIf(why !== undefined)(
  'every keyframe is what the instructions before it draw, on a screen that scrolls too',
  async () => {
    const end = await openDesktopEnd(desk.gateway, 'hmi-3', 'operator')
    const { session } = await end.live.hear('started')
    await end.see('sync')
    const { recording } = desk.gateway.vault.permits.get(session)?.permit ?? {}
    const count = (frames: readonly Frame[]) =>
      frames.filter((frame) => frame.kind === 'mark' && frame.mark.kind === 'keyframe').length
    // A recording is read as a whole each time: not at every turn.
    const have = (least: number) =>
      until(async () => {
        await pause(500)
        return count(await desk.gateway.frames(recording)) >= least || undefined
      }, 120_000)
    end.type(film('scroll'))
    await have(1)
    endLoop('scroll')
    const copies = () => end.shown.filter(({ opcode }) => opcode === 'copy').length
    const before = copies()
    end.type('until [ -e still ]; do head -c 90 /dev/urandom | base64; sleep 0.1; done\n')
    await until(() => copies() > before + 25 || undefined, 60_000)
    endLoop('still')
    end.type(film('over'))
    await have(2)
    endLoop('over')
    end.live.say({ kind: 'leave' })
    await end.live.hear('ended')
    const frames = await desk.gateway.frames(recording)
    const marks = frames.flatMap((frame) => (frame.kind === 'mark' ? [frame] : []))
    const keyframes = desktopKeyframes(marks, 0)
    expect(keyframes.length).toBeGreaterThanOrEqual(2)
    const replay = {
      async *seek() {
        yield* frames
      },
    }
    for (const keyframe of keyframes) {
      const before: Uint8Array[] = []
      for (const frame of frames) {
        if (frame.kind === 'mark' && frame.mark.kind === 'keyframe' && frame.at === keyframe.at) break
        if (frame.kind === 'output') before.push(frame.bytes)
      }
      const { value: whole } = await seekDesktop(replay, keyframes, 0, keyframe.at).next()
      if (whole?.kind !== 'keyframe') throw new Error('no keyframe')
      const expected = await drawn(before)
      expect(expected).toMatchObject({ width: 800, height: 600, lit: true })
      const { other, readable: _, ...rest } = await drawn([whole.bytes])
      expect(rest).toEqual({ width: 800, height: 600, lit: true })
      expect(other).toBeLessThan(50)
    }
  },
)

test.skipIf(why !== undefined)(
  'of a masked region nothing is ever seen, whatever the machine draws, scrolls and copies through it',
  async () => {
    const end = await openDesktopEnd(desk.gateway, 'masked', 'operator')
    const { session } = await end.live.hear('started')
    await end.see('sync')
    const { recording } = desk.gateway.vault.permits.get(session)?.permit ?? {}
    end.type(film('masked'))
    await until(async () => {
      await pause(500)
      const frames = await desk.gateway.frames(recording)
      return frames.some(({ kind }) => kind === 'keyframe') || undefined
    }, 120_000)
    endLoop('masked')
    // The machine copies the region elsewhere: its lines go up, out of it and over its upper edge.
    const copies = () => end.shown.filter(({ opcode }) => opcode === 'copy').length
    const before = copies()
    end.type('until [ -e lifted ]; do head -c 90 /dev/urandom | base64 -w 130; sleep 0.1; done\n')
    await until(() => copies() > before + 60 || undefined, 60_000)
    endLoop('lifted')
    end.live.say({ kind: 'leave' })
    await end.live.hear('ended')
    const frames = await desk.gateway.frames(recording)
    const output = frames.flatMap((frame) => (frame.kind === 'output' ? [frame.bytes] : []))
    const size = { width: 800, height: 600, readable: 0 }
    // In the middle of it as well as at its end, and in what readers begin at.
    const all = Buffer.concat(output)
    const middle = all.indexOf(';', all.indexOf('4.sync,', all.length >> 1)) + 1
    for (const part of [all.subarray(0, middle), all])
      expect(await drawn([part])).toMatchObject({ ...size, lit: true })
    const marks = frames.flatMap((frame) => (frame.kind === 'mark' ? [frame] : []))
    const replay = {
      async *seek() {
        yield* frames
      },
    }
    for (const keyframe of desktopKeyframes(marks, 0)) {
      const { value: whole } = await seekDesktop(replay, [keyframe], 0, keyframe.at).next()
      if (whole?.kind !== 'keyframe') throw new Error('no keyframe')
      expect(await drawn([whole.bytes])).toMatchObject({ ...size, lit: true })
    }
    // Its user saw all of it.
    const whole = end.shown.slice(0, end.shown.findLastIndex(({ opcode }) => opcode === 'sync') + 1)
    const shown = await drawn(whole.map(({ bytes }) => bytes))
    expect(shown.readable).toBeGreaterThan(10_000)
  },
)
