import fc from 'fast-check'
import { expect, test } from 'vitest'
import { ScreenWatch } from '../../../../recorder/recording/screen-watch.ts'
import { TitleScan } from '../../../../recorder/recording/title-scan.ts'

const bytes = (text: string) => Buffer.from(text)

test('titles are found however the output is split, and told when they change', () =>
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 30 }), (size) => {
      const output = bytes(
        '$ \x1b]0;bob@press-3: ~\x07ls\r\n\x1b[31m\x1b]2;two ü\x1b\\x\x1b]0;two ü\x07\x1b]1;icon\x07\x1b]8;;http://x\x07\x1b]0;\n\x1b]0;three\x07',
      )
      const scan = new TitleScan()
      const titles: string[] = []
      for (let at = 0; at < output.length; at += size)
        titles.push(...scan.scan(output.subarray(at, at + size)))
      expect(titles).toEqual(['bob@press-3: ~', 'two ü', 'three'])
    }),
  ))

test('a title that never ends is not kept for ever', () => {
  const scan = new TitleScan()
  expect(scan.scan(bytes(`\x1b]0;${'x'.repeat(5000)}`))).toEqual([])
  expect(scan.scan(bytes('yyy\x07'))).toEqual([])
  expect(scan.scan(bytes('\x1b]0;next\x07'))).toEqual(['next'])
})

test('a command is read as the line stood at Enter, though the screen is read later', () => {
  const watch = new ScreenWatch(0, 80, 24)
  watch.output(bytes('$ '), 1)
  watch.typed(1, false, 2)
  watch.output(bytes('ls'), 3)
  expect(watch.isDue).toBe(false)
  watch.typed(1, true, 4)
  watch.output(bytes('\r\nfile\r\n\x1b[2J\x1b[H$ '), 5)
  watch.typed(1, false, 6)
  watch.output(bytes('pwd'), 7)
  watch.typed(1, true, 8)
  expect(watch.isDue).toBe(true)
  expect([...watch.catchUp(), ...watch.close()]).toEqual([
    { kind: 'mark', channel: 0, mark: { kind: 'command', line: 'ls' }, at: 4 },
    { kind: 'mark', channel: 0, mark: { kind: 'command', line: 'pwd' }, at: 8 },
  ])
  expect(watch.isDue).toBe(false)
  expect(watch.catchUp()).toEqual([])
})

test('a flood does not gather without bound', () => {
  const watch = new ScreenWatch(0, 80, 24)
  for (let count = 0; count < 100; count += 1) watch.output(bytes(`line\r\n`.repeat(2000)), count)
  expect(watch.isDue).toBe(true)
  watch.catchUp()
  expect(Buffer.from(watch.model.keyframe() ?? []).toString()).toContain('line\r\nline')
})
