import Guacamole from 'guacamole-common-js'
import type { Replay } from '../../recorder/replay/index.ts'
import { fit } from '../desktop/screen.ts'

/** A desktop's recording, drawn. Moments are nanoseconds from the start of the recording. */
export type DesktopReplay = Disposable & {
  readonly play: () => void
  readonly pause: () => void
  readonly seek: (position: number) => void
  readonly position: () => number
  readonly end: () => number
  readonly isPlaying: () => boolean
}

/** Reads a desktop's channel as a whole, and shows its first picture in `host`. */
export async function openDesktopReplay(
  replay: Replay,
  channel: number,
  host: HTMLElement,
): Promise<DesktopReplay> {
  const tunnel = new Guacamole.Tunnel()
  tunnel.connect = () => tunnel.setState(Guacamole.Tunnel.State.OPEN)
  tunnel.disconnect = () => tunnel.setState(Guacamole.Tunnel.State.CLOSED)
  const recording = new Guacamole.SessionRecording(tunnel)
  const parser = new Guacamole.Parser()
  const decoder = new TextDecoder()
  const loaded = new Promise<void>((resolve, reject) => {
    recording.onload = resolve
    recording.onerror = (message) => reject(new Error(message))
  })
  recording.connect()
  parser.oninstruction = (opcode, args) => tunnel.oninstruction?.(opcode, args)
  let first: number | undefined
  for await (const frame of replay.frames()) {
    if (frame.kind !== 'output' || frame.channel !== channel) continue
    first ??= frame.at
    parser.receive(decoder.decode(frame.bytes, { stream: true }))
  }
  tunnel.setState(Guacamole.Tunnel.State.CLOSED)
  await loaded
  const display = recording.getDisplay()
  const element = display.getElement()
  host.append(element)
  const fitting = fit(host, display)
  const begin = first ?? 0
  const inRecording = (at: number) => Math.min(recording.getDuration(), Math.max(0, (at - begin) / 1e6))
  await new Promise<void>((resolve) => recording.seek(0, resolve))
  return {
    play: () => recording.play(),
    pause: () => recording.pause(),
    seek: (at) => recording.seek(inRecording(at)),
    position: () => begin + recording.getPosition() * 1e6,
    end: () => begin + recording.getDuration() * 1e6,
    isPlaying: () => recording.isPlaying(),
    [Symbol.dispose]: () => {
      recording.pause()
      fitting[Symbol.dispose]()
      element.remove()
    },
  }
}
