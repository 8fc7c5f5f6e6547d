#!/usr/bin/env node
// The command-line program, under the pinned Node 24.
import { join } from 'node:path'
import { becomePinned, root } from './pinned-node.mjs'

becomePinned(join(root, 'deploy', 'cli', 'main.ts'), process.argv.slice(2))
