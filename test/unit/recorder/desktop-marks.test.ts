import { expect, test } from 'vitest'
import { DesktopMarks } from '../../../recorder/broker/desktop/desktop-marks.ts'
import { encodeInstruction, InstructionParser } from '../../../recorder/broker/desktop/instruction.ts'
import type { Mark } from '../../../recorder/recording/index.ts'

function begin() {
  const marked: Mark[] = []
  let now = 0
  const marks = new DesktopMarks({ mark: (mark) => void marked.push(mark), now: () => now })
  return {
    marked,
    after: (ms: number) => {
      now += ms
      return {
        shows: (opcode: string, ...args: readonly (string | number)[]) =>
          marks.shown(new InstructionParser().push(encodeInstruction(opcode, ...args.map(String)))),
        happens: () => marks.happened(),
      }
    },
  }
}

test('another size of the screen is marked, its first one, the same and those of other layers are not', () => {
  const { marked, after } = begin()
  after(0).shows('size', 0, 1024, 768)
  after(0).shows('size', 1, 64, 64)
  after(0).shows('size', -1, 16, 16)
  after(0).shows('size', 0, 1024, 768)
  expect(marked).toEqual([])
  after(0).shows('size', 0, 1280, 720)
  expect(marked).toEqual([{ kind: 'resize', width: 1280, height: 720 }])
})

test('what nothing happened in for a minute is marked at its end; frames that draw nothing are nothing', () => {
  const { marked, after } = begin()
  after(1_000).shows('rect', 0, 0, 0, 1, 1)
  after(59_999).shows('rect', 0, 0, 0, 1, 1)
  expect(marked).toEqual([])
  after(30_000).shows('sync', 1)
  after(30_000).shows('sync', 2)
  expect(marked).toEqual([])
  after(500).happens()
  expect(marked).toEqual([{ kind: 'idle', seconds: 60 }])
  after(3_600_000).shows('img', 1, 14, 0, 'image/png', 0, 0)
  expect(marked.at(-1)).toEqual({ kind: 'idle', seconds: 3600 })
})
