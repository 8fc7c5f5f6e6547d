import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { DesktopRoom } from '../../../recorder/broker/desktop/desktop-room.ts'
import { encodeInstruction, InstructionParser } from '../../../recorder/broker/desktop/instruction.ts'

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function begin() {
  const asked: string[] = []
  const room = new DesktopRoom((bytes) => void asked.push(String(bytes)))
  const ask = (width: number, height: number) =>
    room.ask(width, height, encodeInstruction('size', String(width), String(height)))
  const shows = (layer: number, width: number, height: number) =>
    room.shown(new InstructionParser().push(encodeInstruction('size', ...[layer, width, height].map(String))))
  return { asked, room, ask, shows }
}

test('a machine is asked until it shows as many pixels, and no more than so often', () => {
  const { asked, ask, shows } = begin()
  ask(1001, 640)
  vi.advanceTimersByTime(2_000)
  expect(asked).toHaveLength(2)
  shows(1, 1001, 640)
  shows(0, 1024, 768)
  vi.advanceTimersByTime(2_000)
  expect(asked).toHaveLength(3)
  shows(0, 1000, 640)
  vi.advanceTimersByTime(60_000)
  expect(asked).toHaveLength(3)
  ask(800, 600)
  vi.advanceTimersByTime(60_000)
  expect(asked.slice(3)).toEqual(Array.from({ length: 4 }, () => '4.size,3.800,3.600;'))
})

test('the last size counts, and none when it is over', () => {
  const { asked, room, ask } = begin()
  ask(1000, 640)
  ask(800, 600)
  vi.advanceTimersByTime(2_000)
  expect(asked).toEqual(['4.size,4.1000,3.640;', '4.size,3.800,3.600;', '4.size,3.800,3.600;'])
  room[Symbol.dispose]()
  vi.advanceTimersByTime(60_000)
  expect(asked).toHaveLength(3)
})
