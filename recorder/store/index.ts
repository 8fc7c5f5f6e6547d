export { type Abandoned, findAbandoned } from './abandoned.ts'
export { openStore, RecordingStore, type StoredRecording, type StoreOptions } from './store.ts'
