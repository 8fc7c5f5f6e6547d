import type { Io } from './io.ts'

/** Waits for Enter; false where the person gives up (Ctrl-C, Ctrl-D, or the terminal is gone). */
export async function readKey(io: Io): Promise<boolean> {
  io.stdin.setRawMode?.(true)
  io.stdin.resume()
  try {
    return await new Promise((resolve) => {
      const settle = (enter: boolean) => {
        io.stdin.off('data', onData)
        io.stdin.off('end', onEnd)
        resolve(enter)
      }
      const onEnd = () => settle(false)
      const onData = (chunk: Buffer) => {
        if (chunk.includes(3) || chunk.includes(4)) settle(false)
        else if (chunk.includes(13) || chunk.includes(10)) settle(true)
      }
      io.stdin.on('data', onData)
      io.stdin.once('end', onEnd)
    })
  } finally {
    io.stdin.setRawMode?.(false)
    io.stdin.pause()
  }
}
