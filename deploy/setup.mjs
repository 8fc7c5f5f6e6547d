// `npm run setup`: installs and builds what is missing, and says what it does. Safe to repeat.
import { setUp } from './setup/set-up.mjs'

setUp((line) => console.error(line))
console.error('set-up: done')
