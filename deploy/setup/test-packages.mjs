import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { root } from '../pinned-node.mjs'
import { withoutServices } from './quiet-services.mjs'

/**
 * Installs the Debian packages whose programs the tests speak to, where they are missing and this is root. Their
 * services are not started. Tests that lack a program say so.
 */
export function installTestPackages(say) {
  const wanted = readFileSync(join(root, 'deploy', 'test-packages.txt'), 'utf8')
    .split('\n')
    .filter(Boolean)
  if (!existsSync('/usr/bin/dpkg-query'))
    return say('test packages: this is no Debian; tests that lack a program say so')
  const missing = wanted.filter((name) => !isInstalled(name))
  if (missing.length === 0) return
  if (process.getuid() !== 0)
    return say(`test packages: not root, so these stay missing: apt-get install ${missing.join(' ')}`)
  say(`test packages: installing ${missing.join(' ')}`)
  withoutServices(() => {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    const apt = (...args) =>
      spawnSync('apt-get', ['-qq', '-o', 'DPkg::Lock::Timeout=300', ...args], {
        env,
        stdio: ['ignore', 2, 2],
      }).status
    if (apt('update') !== 0) say('test packages: apt-get update failed; going on with what is known')
    if (apt('install', '-y', '--no-install-recommends', ...missing) !== 0)
      say('test packages: apt-get install failed; tests that lack a program say so')
  })
}

function isInstalled(name) {
  const { status, stdout } = spawnSync('dpkg-query', ['-W', '-f', '${db:Status-Status}', name], {
    encoding: 'utf8',
  })
  return status === 0 && stdout === 'installed'
}
