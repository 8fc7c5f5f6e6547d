import { spawnSync } from 'node:child_process'
import { chmodSync, lstatSync, mkdtempSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { isRunning } from '../../deploy/supervisor/process-identity.ts'
import { findUser, isRoot } from '../../deploy/supervisor/system-user.ts'
import { closedFolder, makeClone, npmStart, runIn } from '../support/clone.ts'
import { freePorts } from '../support/ports.ts'

const folder = mkdtempSync(join(tmpdir(), 'tagout-clone-'))
chmodSync(folder, 0o711)
// Packages are tens of thousands of files.
afterAll(() => void spawnSync('rm', ['-rf', folder]), 300_000)

const path = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin'

async function startArgs(...more: string[]): Promise<readonly string[]> {
  const [http, ssh] = await freePorts(2)
  return ['--data', './d', '--http-port', `${http}`, '--ssh-port', `${ssh}`, '--unattended', '--yes', ...more]
}

const asRoot = test.runIf(isRoot())
if (!isRoot()) console.log('not root: the tests of clones of other users are left out')

asRoot(
  'a clone where only root may enter starts, with a system user for each plane',
  { timeout: 300_000 },
  async () => {
    const cwd = join(closedFolder(join(folder, 'closed')), 'clone')
    makeClone(cwd, { packages: true })
    const run = { cwd, env: { PATH: path, HOME: '/root' } }
    let data = ''
    let first: string | null = null
    {
      await using started = await npmStart(run, await startArgs('--recovery-out', './recovery.key'))
      data = started.ready.data
      // The data went where the planes' users can reach them, and the given folder leads there.
      expect(lstatSync(join(cwd, 'd')).isSymbolicLink()).toBe(true)
      expect(realpathSync(join(cwd, 'd'))).toBe(data)
      expect(data).toMatch(/^\/var\/lib\/tagout\/instances\/[0-9a-f]{8}$/)
      const processes = JSON.parse(readFileSync(join(data, 'supervisor', 'processes.json'), 'utf8'))
      for (const { name, pid } of processes)
        expect(statSync(`/proc/${pid}`).uid).toBe(findUser(`tagout-${name}`)?.uid)
      // One line on standard output is ours; npm announces what it runs above it.
      expect(
        started
          .stdout()
          .split('\n')
          .filter((line) => line.startsWith('{')),
      ).toHaveLength(1)
      first = started.ready.firstAdmin
      expect(first).toContain(started.ready.console)
      expect(readFileSync(join(data, 'ready.json'), 'utf8')).not.toContain(started.ready.firstAdmin)
      // The recovery key is in its file alone.
      const recovery = readFileSync(join(cwd, 'recovery.key'), 'utf8').trim()
      expect(statSync(join(cwd, 'recovery.key')).mode & 0o777).toBe(0o600)
      expect(recovery.length).toBeGreaterThan(20)
      expect(started.log() + started.stdout()).not.toContain(recovery)

      const tagout = await runIn({ ...run, env: { ...run.env, TAGOUT_DATA: './d' } }, 'npx', [
        'tagout',
        'doctor',
        '--json',
      ])
      const findings = JSON.parse(tagout.stdout)
      expect(findings.filter((found: { level: string }) => found.level === 'wrong')).toEqual([])
      expect(JSON.stringify(findings)).toContain('each plane runs as a system user of its own')
      await started[Symbol.asyncDispose]()
      expect(processes.filter(isRunning)).toEqual([])
    }
    {
      await using again = await npmStart(run, await startArgs())
      expect(again.ready.data).toBe(data)
      // Nobody has used the first link, which may be lost: here is another.
      expect(again.ready.firstAdmin).toContain(again.ready.console)
      expect(again.ready.firstAdmin).not.toBe(first)
      const status = await runIn({ ...run, env: { ...run.env, TAGOUT_DATA: './d' } }, 'npx', [
        'tagout',
        'status',
      ])
      expect([status.code, status.stderr]).toEqual([0, ''])
    }
    rmSync(data, { recursive: true })
  },
)

asRoot(
  'an ordinary user with nothing but Node and npm starts a fresh clone',
  { timeout: 600_000 },
  async () => {
    const name = 'tagout-tester'
    if (findUser(name) === undefined)
      spawnSync('useradd', ['--create-home', '--home-dir', join(folder, 'home'), name])
    const as = findUser(name)
    if (as === undefined) throw new Error('no user')
    try {
      const home = closedFolder(join(folder, 'home'), as)
      const cwd = join(home, 'tagout')
      makeClone(cwd, { packages: false, owner: as })
      const run = { cwd, env: { PATH: path, HOME: home }, as }
      let pids: number[] = []
      {
        await using started = await npmStart(run, await startArgs(), 500_000)
        expect(started.log()).toContain('packages are not installed; running npm ci --ignore-scripts')
        expect(started.log()).toContain('made the command: npx tagout')
        expect(started.ready.data).toBe(join(cwd, 'd'))
        expect(statSync(join(cwd, 'd')).mode & 0o777).toBe(0o700)
        expect(started.ready.findings).toContainEqual(
          expect.stringContaining('the planes share one system user'),
        )
        const processes = JSON.parse(readFileSync(join(cwd, 'd', 'supervisor', 'processes.json'), 'utf8'))
        pids = processes.map((entry: { pid: number }) => entry.pid)
        for (const pid of pids) expect(statSync(`/proc/${pid}`).uid).toBe(as.uid)
        const tagout = await runIn({ ...run, env: { ...run.env, TAGOUT_DATA: './d' } }, 'npx', [
          'tagout',
          'status',
          '--json',
        ])
        expect(JSON.parse(tagout.stdout)).toMatchObject({ initialised: true, sealed: false })
      }
      // A second set-up finds nothing to do.
      const again = await runIn(run, 'npm', ['run', 'setup', '--silent'])
      expect([again.code, again.stderr.trim()]).toEqual([0, 'set-up: done'])
      // What is taken away comes back: the link, the libraries' links.
      rmSync(join(cwd, 'node_modules', '.bin', 'tagout'))
      const repaired = await runIn(run, 'npm', ['run', 'setup', '--silent'])
      expect(repaired.stderr).toContain('made the command: npx tagout')
      // A package that is missing is noticed by name.
      rmSync(join(cwd, 'node_modules', 'zod'), { recursive: true })
      const missing = spawnSync(
        'node',
        ['-e', "import('./deploy/setup/dependencies.mjs').then((m) => console.log(m.whatIsMissing('.')))"],
        { cwd, encoding: 'utf8' },
      )
      expect(missing.stdout.trim()).toBe('node_modules/zod is not installed')
    } finally {
      spawnSync('userdel', [name])
    }
  },
)
