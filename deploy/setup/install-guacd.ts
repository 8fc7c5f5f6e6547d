// Installs guacd, in a process of its own: whoever asked for it may end meanwhile, and it is done to its end all the same.
import { installGuacd } from './guacd.ts'

const why = installGuacd((line) => console.log(`guacd: ${line}`))
if (why !== undefined) {
  console.log(`guacd: not installed: ${why}`)
  process.exitCode = 1
}
