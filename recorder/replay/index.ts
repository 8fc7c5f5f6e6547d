/**
 * Reading recordings: structure, verification without a key, replay, exports. Runs in Node and in browsers: libsodium
 * is passed in, the rest is WebCrypto. See docs/recording-format.md.
 */
export { toAsciicast } from './asciicast.ts'
export { clockText, parseClock } from './clock-text.ts'
export { type CutRange, cutRange, writeCut } from './cut.ts'
export { type DesktopKeyframe, desktopKeyframes, readKeyframe, seekDesktop } from './desktop.ts'
export { type FilmPiece, filmDesktop, filmWords } from './film.ts'
export { type FilmPage, type GuacamoleLibrary, makeFilm } from './film-page.ts'
export type * from './frame.ts'
export { toGuac } from './guac.ts'
export type { RecordingHeader } from './header.ts'
export { openRecordingKey } from './key.ts'
export { longestNote, type NoteText } from './note.ts'
export { type RecordingKey, Replay, ReplayError, segmentKey, type TimedMark } from './replay.ts'
export { toPcap } from './pcap.ts'
export { type ByteSource, memorySource } from './source.ts'
export { type RecordingStructure, readStructure, type SegmentPlace } from './structure.ts'
export {
  fewestCharacters,
  type KeyedTrapdoors,
  type OpenedSearch,
  type SearchHit,
  type SearchPorts,
  type SearchStep,
  searchByOpening,
  searchInside,
} from './search.ts'
export { type SearchEntry, searchForm } from './search-text.ts'
export { SearchIndexError } from './search-index.ts'
export { safe, toText } from './text.ts'
export type { FilmChunk } from './webm.ts'
export {
  type CutPlace,
  type Known,
  type KnownCheckpoint,
  type RecordingVerdict,
  verifyRecording,
} from './verify.ts'
