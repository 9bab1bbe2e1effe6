/**
 * Loggers of the command line: lines for people, or JSON lines (pino) for machines, always on stderr.
 *
 * The text form is that of the classic consumer service: `2025-01-22 13:53:42,183 - INFO - words  field=value`.
 */

import pino from 'pino'
import type { Clock, LogFields, Logger, LogLevel } from '../core/index.ts'
import type { Io } from './io.ts'

export type LogFormat = 'text' | 'json'

const levelRank: Readonly<Record<LogLevel, number>> = { debug: 10, info: 20, warn: 30, error: 40 }

export interface LogOptions {
  readonly format: LogFormat
  /** The least level that is written; default `info`. */
  readonly level?: LogLevel
}

export function createLogger(io: Io, { format, level = 'info' }: LogOptions): Logger {
  const write = format === 'json' ? jsonWriter(io) : textWriter(io)
  return {
    log(lineLevel, message, fields = {}) {
      if (levelRank[lineLevel] >= levelRank[level]) write(lineLevel, message, fields)
    },
  }
}

/** The log of the runtime below a service: machines read all of it, people what goes wrong; the service has lines of its own. */
export function runtimeLogger(io: Io, format: LogFormat, own: Logger): Logger {
  return format === 'json' ? own : createLogger(io, { format, level: 'warn' })
}

type Write = (level: LogLevel, message: string, fields: LogFields) => void

function jsonWriter(io: Io): Write {
  const logger = pino(
    { level: 'debug', base: null, timestamp: pino.stdTimeFunctions.isoTime },
    { write: io.err },
  )
  return (level, message, fields) => logger[level](fields, message)
}

function textWriter(io: Io): Write {
  return (level, message, fields) =>
    io.err(`${timeText(io.clock)} - ${level.toUpperCase()} - ${message}${fieldsText(fields)}\n`)
}

/** Local time as Python's logging prints it: `2025-01-22 13:53:42,183`. */
export function timeText(clock: Clock): string {
  const now = new Date(clock.wallMs())
  const two = (value: number) => String(value).padStart(2, '0')
  const date = `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`
  const time = `${two(now.getHours())}:${two(now.getMinutes())}:${two(now.getSeconds())}`
  return `${date} ${time},${String(now.getMilliseconds()).padStart(3, '0')}`
}

function fieldsText(fields: LogFields): string {
  const parts = Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(
      ([name, value]) =>
        `${name}=${typeof value === 'string' ? quoted(value) : JSON.stringify(value)}`,
    )
  return parts.length === 0 ? '' : `  ${parts.join(' ')}`
}

/** A bare word stays bare; anything else, line ends and control characters included, is escaped. */
function quoted(value: string): string {
  return /^[\w./:@+-]+$/.test(value) ? value : JSON.stringify(value)
}
