import type { EndReason } from '../../../vault/contract.ts'
import type { Instruction } from './instruction.ts'

/** What the Guacamole protocol calls a client that does not answer: guacd waits 15 s for the browser's word. */
const clientTimeout = '776'

/** Why a desktop ended, by the last that guacd said of it; undefined: it ended without a word, as only guacd's own death does. */
export function endOf(last: Instruction | undefined): { readonly reason: EndReason; readonly text?: string } {
  if (last === undefined)
    return {
      reason: 'protocol error',
      text: 'guacd, which carries desktops, ended on the gateway: the machine was not asked to close anything',
    }
  if (last.opcode === 'error' && last.args[1] === clientTimeout)
    return {
      reason: 'closed by the user',
      text: 'your browser did not answer for 15 s, so this session ended: connect again',
    }
  return { reason: 'closed by the target' }
}
