#!/usr/bin/env node
/**
 * The process behind `shoal`: arguments in, exit code out.
 */

import { processIo } from './io.ts'
import { runCommandLine } from './program.ts'

await runCommandLine(processIo(), process.argv.slice(2))
