/**
 * Where words go: a port, so that no part of Shoal depends on a logging library or writes to a stream of its host.
 *
 * Fields carry the facts (topic, partition, group, address); the message is a constant sentence. Payloads, keys and
 * secrets are never logged.
 */

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

export type LogFields = Readonly<Record<string, unknown>>

export interface Logger {
  log(level: LogLevel, message: string, fields?: LogFields): void
}

export const silentLogger: Logger = { log() {} }

export interface LogLine {
  readonly level: LogLevel
  readonly message: string
  readonly fields: LogFields
}

/** A logger that remembers, for tests that assert what was said. */
export function memoryLogger(): Logger & { readonly lines: readonly LogLine[] } {
  const lines: LogLine[] = []
  return {
    lines,
    log: (level, message, fields = {}) => void lines.push({ level, message, fields }),
  }
}
