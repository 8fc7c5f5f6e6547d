import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { demoPath, installationMark } from '../../../deploy/demo/folder.ts'
import { planRemoval } from '../../../deploy/demo/remove.ts'

let dataDir: string
beforeEach(() => {
  dataDir = mkdtempSync(join(tmpdir(), 'tagout-demo-'))
  for (const part of ['demo', 'supervisor', 'postgres/cluster', 'vault'])
    mkdirSync(join(dataDir, part), { recursive: true })
  writeFileSync(join(dataDir, 'supervisor', 'secrets.json'), '{"vault":{"publicKey":"AAAA"}}')
  const demo = {
    ...{ demo: 1, state: 'filled', people: [], worked: {}, vaultRecoveryKey: null },
    auditor: { name: 'ingrid', keyFile: '', passphrase: '', recoveryFile: '' },
    installation: installationMark(dataDir),
  }
  writeFileSync(demoPath(dataDir), JSON.stringify(demo))
})
afterEach(() => rmSync(dataDir, { recursive: true, force: true }))

test('all that stays in the folder is named, and nothing that is not there', () => {
  expect(planRemoval(dataDir, {})).toMatchObject({
    parts: ['vault', 'postgres', 'supervisor', 'demo'],
    stays: [],
  })
  writeFileSync(join(dataDir, 'tagout.json'), '{}')
  writeFileSync(join(dataDir, '.gitignore'), '*\n')
  expect(planRemoval(dataDir, { TAGOUT_RECORDER_STORE: '/srv/recordings' }).stays).toEqual([
    'tagout.json',
    '.gitignore (it keeps the folder out of every commit)',
    '/srv/recordings (recordings, which nobody can open any more)',
  ])
})
