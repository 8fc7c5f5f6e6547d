import { chmodSync, existsSync, rmSync, writeFileSync } from 'node:fs'

/** What a package asks before it starts its service; 101 means no (policy-rc.d, invoke-rc.d(8)). */
const policy = '/usr/sbin/policy-rc.d'

/** Runs `install` while no package may start a service. A policy of the machine's own is left alone. */
export function withoutServices(install) {
  const barred = !existsSync(policy)
  if (barred) {
    writeFileSync(policy, '#!/bin/sh\nexit 101\n')
    chmodSync(policy, 0o755)
  }
  try {
    return install()
  } finally {
    if (barred) rmSync(policy, { force: true })
  }
}
