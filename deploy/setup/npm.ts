import { existsSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'

/** The folder of npm itself, which brings node-gyp; undefined where no npm is found. */
export function npmFolder(env: NodeJS.ProcessEnv = process.env): string | undefined {
  const running = env['npm_execpath']
  const folders = (env['PATH'] ?? '')
    .split(':')
    .flatMap((bin) => [
      join(bin, '..', 'lib', 'node_modules', 'npm'),
      join(bin, '..', 'share', 'nodejs', 'npm'),
    ])
  if (running !== undefined && basename(running) === 'npm-cli.js')
    folders.unshift(join(dirname(running), '..'))
  return folders.find((folder) => existsSync(join(folder, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js')))
}
