/** asciicast is version 2, which every asciinema since 2017 plays; Debian's does not know version 3 yet. */
export const exportForms = [
  'asciicast',
  'asciicast-v2',
  'asciicast-v3',
  'text',
  'pcap',
  'guac',
  'webm',
  'mp4',
] as const
export type ExportForm = (typeof exportForms)[number]
