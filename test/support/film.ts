import { execFileSync, spawnSync } from 'node:child_process'

/** Why no video can be looked at here, or undefined when one can. Print it where a test is left out. */
export function whyNoFfmpeg(): string | undefined {
  return spawnSync('ffprobe', ['-version']).status === 0
    ? undefined
    : 'ffmpeg is not installed (deploy/test-packages.txt)'
}

/** What ffprobe says of a video. */
export function probe(file: string): {
  readonly format: { readonly duration: string; readonly tags: Readonly<Record<string, string>> }
  readonly streams: readonly {
    readonly width: number
    readonly height: number
    readonly codec_name: string
  }[]
} {
  const asked = ['-v', 'error', '-of', 'json', '-show_format', '-show_streams', file]
  return JSON.parse(execFileSync('ffprobe', asked, { encoding: 'utf8' }))
}

/** The colour of a place of a video at a moment, as a decoder of its own sees it. */
export function colourAt(file: string, second: number, [x, y]: readonly [number, number]): number[] {
  const raw = execFileSync('ffmpeg', [
    ...['-v', 'error', '-i', file, '-ss', String(second), '-frames:v', '1'],
    // The last picture stands to the end, though no frame says so.
    ...[
      '-vf',
      `fps=10:start_time=0,tpad=stop_mode=clone:stop_duration=2,crop=2:2:${x}:${y}`,
      '-f',
      'rawvideo',
      '-pix_fmt',
      'rgb24',
      '-',
    ],
  ])
  return [...raw.subarray(0, 3)]
}
