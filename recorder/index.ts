export type * from './recording/index.ts'
export type * from './replay/index.ts'
export { connectLive } from './live/live-client.ts'
export {
  connectReplay,
  type OpenedRecording,
  ReplayClient,
  type ReplayPurpose,
} from './serve/replay-client.ts'
