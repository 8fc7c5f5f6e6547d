import { done, type Outcome, refuse } from '../kernel/outcome.ts'

/**
 * How people change what no machine can, as a machine without a clock, a database or a network. One has it in hand, a
 * second lets them see the new secret; the one changes it in a recorded session, and a login or the second says that it is so.
 *
 * INVARIANT: nothing is shown that two people have not stood behind, each time anew; and nothing becomes current by the word of
 * whoever changed it.
 */
export const taskStates = [
  'open', // nobody has it in hand
  'asked', // somebody has, in a session of theirs, and asks to see the secret
  'approved', // somebody else has let them see it, once
  'revealed', // they have seen it, and change it now
  'made', // they say that it is changed: a login, or the second person, is to say so too
  'done',
  'dropped',
] as const
export type TaskState = (typeof taskStates)[number]

export const taskKinds = [
  'change', // of the credential itself
  'place', // of another place that holds the same secret
] as const
export type TaskKind = (typeof taskKinds)[number]

export type TaskAct =
  | 'take' // has it in hand
  | 'approve' // lets the other see the secret
  | 'reveal'
  | 'make' // says that it is changed
  | 'sign' // says so too, where no machine can
  | 'release' // lets go of it: nothing is decided
  | 'drop' // gives it up: the present credential stays

/** How whoever acts stands to a task. */
export type Standing = {
  readonly kind: TaskKind
  /** The very user who has it in hand. */
  readonly isChanger: boolean
  /** That user, or another one who is the same person. */
  readonly isChangersPerson: boolean
  /** A connector can log in and look: nobody's word is needed. */
  readonly logsIn: boolean
}

const theirOwn = refuse(
  'forbidden',
  'two people stand behind this, and you are the one who changes it',
  'somebody else who approves in this safe must',
)

/** The state after an act, or why it has no place. Pure. */
export function afterAct(state: TaskState, act: TaskAct, who: Standing): Outcome<TaskState> {
  if (state === 'done' || state === 'dropped')
    return refuse('conflict', 'this task is over', 'see: tagout rotation tasks --all')
  if (who.kind === 'place' && !['make', 'drop'].includes(act))
    return refuse('conflict', 'of another place nothing is shown or signed', 'say that it is done there')
  switch (act) {
    case 'take':
      if (state === 'open' || (state === 'asked' && who.isChanger)) return done('asked')
      return refuse('conflict', 'somebody has this task in hand', 'have them let go of it, or do so for them')
    case 'approve':
      if (who.isChangersPerson) return theirOwn
      if (state === 'asked') return done('approved')
      return refuse('conflict', 'nobody asks to see this secret', 'who changes it asks first')
    case 'reveal':
      if (!who.isChanger) return refuse('forbidden', 'the secret is shown to who has this task in hand alone')
      if (state === 'approved') return done('revealed')
      return state === 'revealed'
        ? refuse(
            'conflict',
            'it was shown already',
            'let go of the task, take it again, and have it approved',
          )
        : refuse('conflict', 'nobody else has let you see it yet', 'have somebody approve it who may')
    case 'make':
      if (who.kind === 'place') return done('done')
      if (!who.isChanger) return refuse('forbidden', 'who has this task in hand says that it is changed')
      if (state === 'revealed') return done('made')
      return refuse(
        'conflict',
        'you have not seen the new secret: it cannot be the one that is set',
        'see it first',
      )
    case 'sign':
      if (who.isChangersPerson) return theirOwn
      if (who.logsIn)
        return refuse(
          'conflict',
          'Tagout logs in and looks by itself',
          'wait for it: tagout rotation list --open',
        )
      if (state === 'made') return done('done')
      return refuse('conflict', 'nobody has said yet that it is changed', 'who changes it says so first')
    case 'release':
      if (state === 'made') return refuse('conflict', 'it was said to be changed', 'sign it, or give it up')
      return state === 'open' ? refuse('conflict', 'nobody has this task in hand') : done('open')
    case 'drop': {
      // SECURITY: who has seen the new secret may have set it. Where nothing can look, it is not they who say that they have not.
      const mayBeSet = state === 'revealed' || state === 'made'
      return mayBeSet && !who.logsIn && who.isChangersPerson ? theirOwn : done('dropped')
    }
  }
}
