#!/usr/bin/env node
/**
 * The process behind `shoal`: arguments in, exit code out.
 *
 * Compiled code is kept in the system's temporary folder (NODE_COMPILE_CACHE names another), which halves the time of
 * every start but the first; what a command does not need is not loaded.
 * Buffers count as part of the heap for the garbage collector. Otherwise V8 collects everything after each 64 MiB of them,
 * which a broker under load receives many times a second: a third of its CPU.
 */

import { enableCompileCache } from 'node:module'
import { setFlagsFromString } from 'node:v8'

enableCompileCache()
// Another V8 may not know the flag, and would say so on stderr.
if (process.versions.v8.startsWith('13.'))
  setFlagsFromString('--external-memory-accounted-in-global-limit')
const { processIo } = await import('./io.ts')
const { runCommandLine } = await import('./program.ts')
await runCommandLine(processIo(), process.argv.slice(2))
// The work is over: a handler that never ended, or a timer of a user's module, does not keep the process.
process.stderr.write('', () => process.stdout.write('', () => process.exit()))
