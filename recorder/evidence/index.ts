/** Evidence packages: making and verifying them. Runs in Node and in browsers: libsodium is passed in. See docs/evidence-format.md. */
export { type EvidenceFacts, type OpenKey, recordingKeyOf, unsealKey } from './facts.ts'
export {
  dataMark,
  makePackage,
  mostEmbedded,
  mostPackaged,
  type PackageParts,
  rangeOf,
  sizeInHeader,
  stampFile,
  withStamp,
} from './package.ts'
export { type EvidenceVerdict, type ProvenEntry, verifyFiles, verifyPackage } from './verify.ts'
export { readZip, writeZip } from './zip.ts'
