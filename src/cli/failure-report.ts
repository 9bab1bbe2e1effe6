/**
 * Commands that do one thing to several objects: one failure stops none of the others, each is told in a line of its own,
 * and the exit code tells how it ended: that of the failure when nothing succeeded, otherwise `failed`.
 */

import { messageOf } from '../core/index.ts'
import { exitCodeOf, exitCodes } from './exit-codes.ts'
import type { Io } from './io.ts'

export interface FailureReport {
  /** What the step gives, or null when it failed. */
  unless<Result>(step: Promise<Result>): Promise<Result | null>
  /** Sets the exit code. */
  finish(succeeded: number): void
}

export function failureReport(io: Io): FailureReport {
  let first: number | null = null
  return {
    async unless(step) {
      try {
        return await step
      } catch (error) {
        io.err(`shoal: ${messageOf(error)}\n`)
        first ??= exitCodeOf(error)
        return null
      }
    },
    finish(succeeded) {
      if (first !== null) io.setExitCode(succeeded === 0 ? first : exitCodes.failed.code)
    },
  }
}
