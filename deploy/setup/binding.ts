import { spawnSync } from 'node:child_process'
import { existsSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { npmFolder } from './npm.ts'

const root = join(import.meta.dirname, '..', '..')

/** Where ssh2 keeps its native cipher code. */
export const bindingFolder = join(root, 'node_modules', 'ssh2', 'lib', 'protocol', 'crypto')

/** Included before everything else: see there. */
const objectWrapFix = join(import.meta.dirname, 'object-wrap.h')

export type BindingState =
  | { readonly kind: 'native' }
  | { readonly kind: 'missing' }
  /** Built against the headers of another Node: ssh2 would silently run its slow code. */
  | { readonly kind: 'unusable'; readonly why: string }

/**
 * Makes ciphers until the garbage collector has freed many. A binding built with the plain headers of Node 24.19 or
 * later aborts then: it would end a recorder worker, with all its sessions, some minutes after the start.
 */
const trial = `
  const { AESGCMCipher } = require(process.argv[1])
  if (typeof AESGCMCipher !== 'function') process.exit(3)
  const [key, iv] = [Buffer.alloc(32), Buffer.alloc(12)]
  for (let made = 0; made < 50000; made += 1) new AESGCMCipher('aes-256-gcm', key, iv)
`

/** Tries the binding in a process of its own (one that crashes it is no binding) under this very Node. */
export function examineBinding(folder: string = bindingFolder): BindingState {
  const file = join(folder, 'build', 'Release', 'sshcrypto.node')
  if (!existsSync(file)) return { kind: 'missing' }
  const { status, signal, stderr } = spawnSync(process.execPath, ['-e', trial, file], {
    encoding: 'utf8',
    timeout: 20_000,
  })
  if (status === 0) return { kind: 'native' }
  if (signal === 'SIGABRT') return { kind: 'unusable', why: 'it aborts when its objects are freed' }
  const reason = /Error: ([\s\S]*?)\n +at /.exec(stderr)?.[1]?.replace(/\s+/g, ' ') ?? `exit code ${status}`
  return { kind: 'unusable', why: reason.slice(0, 400) }
}

/** Builds ssh2's native binding against the pinned Node's own headers, where it is missing or does not load. */
export function setUpBinding(say: (line: string) => void): void {
  const before = examineBinding()
  if (before.kind === 'native') return
  if (before.kind === 'unusable') say(`ssh2's native binding does not load (${before.why})`)
  const why = build(bindingFolder, () =>
    say("building ssh2's native binding against the pinned Node (half a minute)"),
  )
  if (why !== undefined) return finding(say, why)
  const after = examineBinding()
  if (after.kind !== 'native') finding(say, after.kind === 'unusable' ? after.why : 'the build made nothing')
}

/** Where the binding to tokens (PKCS#11) is. It speaks Node-API: one that is built fits each Node. */
const tokenFolder = join(root, 'node_modules', 'pkcs11js')

/** Does the binding to tokens load? */
export function hasTokenBinding(): boolean {
  const file = join(tokenFolder, 'build', 'Release', 'pkcs11.node')
  return (
    existsSync(file) && spawnSync(process.execPath, ['-e', 'require(process.argv[1])', file]).status === 0
  )
}

/** Builds the binding to tokens, where it is missing or does not load. Nothing but a seal in a token needs it. */
export function setUpTokenBinding(say: (line: string) => void): void {
  if (hasTokenBinding()) return
  const why = build(tokenFolder, () => say('building the binding to tokens (PKCS#11)'))
  if (why === undefined && hasTokenBinding()) return
  say(`finding: no token (PKCS#11) can seal the vault (${why ?? 'its binding does not load'})`)
}

/** Builds a binding. Answers why it could not be. */
function build(folder: string, begin: () => void): string | undefined {
  const headers = join(dirname(process.execPath), '..')
  const missing = ['make', 'g++', 'python3'].filter((program) => !isProgram(program))
  const npm = npmFolder()
  if (!existsSync(join(headers, 'include', 'node', 'node.h'))) return 'the headers of this Node are missing'
  if (npm === undefined) return "npm's node-gyp was not found"
  if (missing.length > 0) return `${missing.join(', ')} not found: apt-get install g++ make python3`

  begin()
  rmSync(join(folder, 'build'), { recursive: true, force: true })
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [
      join(npm, 'node_modules', 'node-gyp', 'bin', 'node-gyp.js'),
      'rebuild',
      `--nodedir=${headers}`,
      '--loglevel=error',
    ],
    // Settings of the surrounding npm (its own nodedir, its own Node) must not win over ours.
    {
      cwd: folder,
      encoding: 'utf8',
      env: {
        ...withoutNpmSettings(process.env),
        CXXFLAGS: `${process.env['CXXFLAGS'] ?? ''} -include ${JSON.stringify(objectWrapFix)}`.trim(),
      },
    },
  )
  return status === 0
    ? undefined
    : `the build failed: ${(stderr + stdout).trim().split('\n').slice(-3).join(' ')}`
}

function finding(say: (line: string) => void, why: string): void {
  say(
    `finding: ssh2 runs without its native binding (${why}); sessions work, files and output move far slower`,
  )
}

function isProgram(name: string): boolean {
  return (process.env['PATH'] ?? '').split(':').some((folder) => existsSync(join(folder, name)))
}

function withoutNpmSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(([name]) => !/^npm_(config|package|lifecycle)_/i.test(name))
  return Object.fromEntries(kept)
}
