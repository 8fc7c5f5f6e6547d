import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { link, open, readFile, unlink } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { type FilmChunk, filmDesktop, filmWords, makeFilm, type Replay } from '../../recorder/replay/index.ts'
import { Complaint } from './complaint.ts'
import { findProgram, openOwnPage, type OwnPage } from './own-browser.ts'
import type { Tools } from './tools.ts'

/**
 * Draws a desktop's recording on this machine and writes it as a video: WebM, or MP4 where ffmpeg is installed. The file is whole
 * or not there.
 */
export async function writeFilm(
  tools: Tools,
  replay: Replay,
  form: 'webm' | 'mp4',
  out: string,
): Promise<void> {
  if (replay.header.target.protocol === 'ssh')
    throw new Complaint('this session is a terminal, which is text and no video', 'export it as asciicast')
  const ffmpeg = findProgram(['ffmpeg'], tools.io.env['PATH'])
  if (form === 'mp4' && ffmpeg === undefined)
    throw new Complaint(
      'MP4 is written by ffmpeg, which is not installed here',
      'install ffmpeg, or export it as webm, which needs none',
    )
  const drafts = [0, 1].map(() => join(dirname(out), `.tagout-${randomBytes(8).toString('hex')}`))
  const [film = '', converted = ''] = drafts
  const stopped = new AbortController()
  const stop = () => stopped.abort(new Complaint('the export was stopped', 'nothing is written'))
  process.once('SIGINT', stop)
  try {
    await using page = await openOwnPage(tools.io.env)
    if (page.isRoot)
      tools.note('you are root, so the browser that draws this has no sandbox: export as a user of your own')
    await drawFilm(tools, replay, page, film, stopped.signal)
    if (form === 'mp4') {
      // SECURITY: made here, as ffmpeg would make it for others to read.
      await (await open(converted, 'wx', 0o600)).close()
      await convert(ffmpeg ?? '', film, converted)
    }
    await link(form === 'mp4' ? converted : film, out)
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST')
      throw new Complaint(`${out} exists already`, 'choose another name, or move it away first')
    throw error
  } finally {
    process.off('SIGINT', stop)
    for (const draft of drafts) await unlink(draft).catch(() => undefined)
  }
}

async function drawFilm(
  tools: Tools,
  replay: Replay,
  page: OwnPage,
  path: string,
  signal: AbortSignal,
): Promise<void> {
  const library = await readFile(createRequire(import.meta.url).resolve('guacamole-common-js'), 'utf8')
  const words = filmWords(replay.header)
  // The library's text is a module of CommonJS. What a recording holds comes as JSON, never as code.
  await page.run(
    `var module = {}; ${library}; var film = (${makeFilm.toString()})(Guacamole, ${JSON.stringify(words)}); void 0`,
  )
  const answer = async (expression: string) => {
    const list = (await page.run(
      `${expression}.then((chunks) => chunks.map(({ bytes, at, isKey }) => ({ at, isKey, text: bytes.toBase64 ? bytes.toBase64() : btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join('')) })))`,
    )) as readonly { readonly at: number; readonly isKey: boolean; readonly text: string }[]
    return list.map(({ at, isKey, text }): FilmChunk => ({ at, isKey, bytes: Buffer.from(text, 'base64') }))
  }
  // SECURITY: mode 0600, it is a session in clear.
  const file = await open(path, 'wx', 0o600)
  let toldAt = 0
  try {
    let isEmpty = true
    for await (const piece of filmDesktop(
      replay,
      {
        step: (instructions, at) => answer(`film.step(${JSON.stringify(instructions)}, ${at})`),
        finish: () => answer('film.finish()'),
        size: async () => (await page.run('film.size()')) as { width: number; height: number } | undefined,
      },
      {
        duration: replay.structure.duration,
        signal,
        onProgress: (done) => {
          const now = performance.now()
          if (now - toldAt < 2_000) return
          toldAt = now
          tools.note(`drawn ${Math.floor(done * 100)} %`)
        },
      },
    )) {
      isEmpty = false
      if (piece.kind === 'append') await file.write(piece.bytes)
      else await file.write(piece.bytes, 0, piece.bytes.length, piece.offset)
    }
    if (isEmpty) throw new Complaint('the recording shows no picture', 'export it as text')
    await file.sync()
  } finally {
    await file.close()
  }
}

function convert(ffmpeg: string, from: string, to: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(
      ffmpeg,
      [
        ...['-nostdin', '-y', '-loglevel', 'error', '-protocol_whitelist', 'file', '-i', from, '-map', '0:v'],
        ...[
          '-c:v',
          'libx264',
          '-pix_fmt',
          'yuv420p',
          '-vsync',
          'vfr',
          '-movflags',
          '+faststart',
          '-f',
          'mp4',
          to,
        ],
      ],
      { stdio: 'ignore' },
    )
    child.once('error', reject)
    child.once('exit', (code) =>
      code === 0
        ? resolve()
        : reject(
            new Complaint('ffmpeg could not write it as MP4', 'export it as webm, or look at your ffmpeg'),
          ),
    )
  })
}
