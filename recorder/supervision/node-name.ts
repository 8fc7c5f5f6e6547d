import { hostname } from 'node:os'

/** This machine's name, as a name of ours. */
export function nodeName(): string {
  const name = hostname()
    .replaceAll(/[^a-z0-9._-]/gi, '-')
    .slice(0, 63)
  return /^[a-z0-9_]/i.test(name) ? name : 'node'
}
