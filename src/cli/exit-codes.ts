/**
 * What the exit code of a command means; printed by `shoal help exit-codes`.
 */

import { ShoalError, type ErrorCode } from '../core/index.ts'

export const exitCodes = {
  done: { code: 0, meaning: 'done' },
  failed: { code: 1, meaning: 'at least one item failed (also when others succeeded)' },
  usage: { code: 2, meaning: 'the command line is wrong' },
  notFound: { code: 3, meaning: 'what was named does not exist' },
  refused: {
    code: 4,
    meaning: 'refused: the group is active, the topic exists, --yes or --execute is needed',
  },
  unreachable: { code: 5, meaning: 'the broker cannot be reached, or did not answer in time' },
  configuration: {
    code: 78,
    meaning: 'the configuration is invalid, or the data folder or the address cannot be used',
  },
  interrupted: { code: 130, meaning: 'interrupted: a second signal ends a command at once' },
} as const

export type ExitName = keyof typeof exitCodes

const exitOfError: Partial<Record<ErrorCode, ExitName>> = {
  SHOAL_UNKNOWN_TOPIC: 'notFound',
  SHOAL_UNKNOWN_GROUP: 'notFound',
  SHOAL_BROKER_UNREACHABLE: 'unreachable',
  SHOAL_REQUEST_TIMEOUT: 'unreachable',
  SHOAL_REQUEST_FAILED: 'refused',
  SHOAL_CONFIG_INVALID: 'configuration',
  SHOAL_FOLDER_LOCKED: 'configuration',
  SHOAL_FOLDER_FORMAT: 'configuration',
  SHOAL_ADDRESS_UNUSABLE: 'configuration',
  SHOAL_INVALID_ARGUMENT: 'usage',
}

/** The exit code that an error ends a command with. */
export function exitCodeOf(error: unknown): number {
  const name = error instanceof ShoalError ? (exitOfError[error.code] ?? 'failed') : 'failed'
  return exitCodes[name].code
}

export function exitCodesHelp(): string {
  return Object.values(exitCodes)
    .map(({ code, meaning }) => `${String(code).padStart(4)}  ${meaning}\n`)
    .join('')
}
