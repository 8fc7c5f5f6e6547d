import { examineDesktops } from './desktops.ts'
import { examineFolder } from './folder.ts'
import { clockAndDisk } from './machine.ts'
import { examinePlanes } from './planes.ts'
import { examineProgram } from './program.ts'

/** One thing that was looked at. `fine` needs nothing; a `note` is a weakness to know of; `wrong` must be put right. */
export type Finding = {
  readonly name: string
  readonly level: 'fine' | 'note' | 'wrong'
  readonly text: string
  /** What to do, where something is to be done. */
  readonly next?: string
}

/** Examines the installation at `dataDir`. It changes nothing, and works whether or not it runs. */
export async function examine(dataDir: string): Promise<readonly Finding[]> {
  return [
    ...examineProgram(),
    ...clockAndDisk(dataDir),
    ...examineFolder(dataDir),
    ...(await examinePlanes(dataDir)),
    ...(await examineDesktops(dataDir)),
  ]
}
