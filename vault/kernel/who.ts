const local = /^local:\d+$/

/**
 * A name as rows keep it (`bob`, `local:0`), for people: who administers the gateway from its own machine has no name
 * there, and no user can have one of this form. Runs in browsers too.
 */
export function whoText(name: string): string {
  return local.test(name) ? `the gateway’s administrator (${name})` : name
}
