#!/usr/bin/env node
/**
 * The process behind `shoal`: arguments in, exit code out.
 *
 * Compiled code is kept in the system's temporary folder (NODE_COMPILE_CACHE names another), which halves the time of
 * every start but the first; what a command does not need is not loaded.
 */

import { enableCompileCache } from 'node:module'

enableCompileCache()
const { processIo } = await import('./io.ts')
const { runCommandLine } = await import('./program.ts')
await runCommandLine(processIo(), process.argv.slice(2))
