export { type Abandoned, findAbandoned } from './abandoned.ts'
export { destroyFile, measure } from './destroy.ts'
export { SpaceWatch, type SpaceWatchOptions } from './space-watch.ts'
export { indexPath, openStore, RecordingStore, type StoredRecording, type StoreOptions } from './store.ts'
