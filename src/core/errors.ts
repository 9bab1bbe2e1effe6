/**
 * The one error class that leaves Shoal, and the table of its codes.
 *
 * Users match `error.code`; a code is never renamed. `docs/errors.md` and this table are compared both ways by a test.
 * Refusals that a peer expects (fenced, unknown member) are values in a response, not errors; Kafka's own error table
 * lives in `protocol/`.
 */

interface ErrorKind {
  /** Whether the same call may succeed later without a change by the caller. */
  readonly retriable: boolean
  readonly sentence: string
}

export const errorTable = {
  SHOAL_INVALID_ARGUMENT: {
    retriable: false,
    sentence: 'an argument or option has a value that cannot work',
  },
  SHOAL_CONFIG_INVALID: {
    retriable: false,
    sentence: 'the configuration has problems; all of them are listed',
  },
  SHOAL_CLOSED: { retriable: false, sentence: 'the object was closed before or during the call' },
  SHOAL_INVARIANT: {
    retriable: false,
    sentence: 'a promise that the code relies on does not hold; the instance stops',
  },
  SHOAL_PROTOCOL_DECODE: {
    retriable: false,
    sentence: 'bytes from a peer are not what the Kafka protocol says',
  },
  SHOAL_PROTOCOL_ENCODE: {
    retriable: false,
    sentence: 'a value cannot be written in the asked version of the protocol',
  },
  SHOAL_CORRUPT_BATCH: {
    retriable: false,
    sentence: 'a record batch is damaged or lies about itself',
  },
  SHOAL_UNSUPPORTED_COMPRESSION: {
    retriable: false,
    sentence: 'a record batch is compressed in a way that is not known',
  },
  SHOAL_DECOMPRESSION_LIMIT: {
    retriable: false,
    sentence: 'a record batch would decompress to more than the limit',
  },
  SHOAL_FOLDER_LOCKED: { retriable: false, sentence: 'another process works on the data folder' },
  SHOAL_FOLDER_FORMAT: {
    retriable: false,
    sentence: 'the data folder was written by a newer or an unknown version',
  },
  SHOAL_STORAGE_FAILED: {
    retriable: false,
    sentence: 'the disk failed; what it holds is unknown and the instance stops',
  },
  SHOAL_STORAGE_FULL: {
    retriable: true,
    sentence: 'the disk is full; nothing of the call was kept',
  },
  SHOAL_STORAGE_CORRUPT: {
    retriable: false,
    sentence: 'acknowledged data on disk is damaged; nothing was cut',
  },
  SHOAL_ADDRESS_UNUSABLE: {
    retriable: true,
    sentence: 'an address cannot be listened on: it is taken, or not of this machine',
  },
  SHOAL_BROKER_UNREACHABLE: {
    retriable: true,
    sentence: 'no broker answered at the given addresses',
  },
  SHOAL_REQUEST_TIMEOUT: { retriable: true, sentence: 'the broker did not answer in time' },
  SHOAL_REQUEST_FAILED: { retriable: false, sentence: 'the broker refused the request' },
  SHOAL_UNKNOWN_TOPIC: { retriable: false, sentence: 'the topic does not exist' },
  SHOAL_UNKNOWN_GROUP: { retriable: false, sentence: 'the group does not exist' },
  SHOAL_OFFSET_OUT_OF_RANGE: {
    retriable: false,
    sentence: 'the position to read from is not in the log',
  },
  SHOAL_NO_OFFSET: {
    retriable: false,
    sentence: 'the group has no committed offset and the reset policy is none',
  },
  SHOAL_MEMBER_FENCED: {
    retriable: false,
    sentence: 'another member with the same instance id took this ones place',
  },
  SHOAL_PARTITION_LOST: {
    retriable: false,
    sentence:
      'the partition is with another member now; what it had not settled is delivered there again',
  },
  SHOAL_LOCK_EXPIRED: {
    retriable: false,
    sentence: 'a record was held longer than its lock lasts; it is delivered again',
  },
  SHOAL_HANDLER_FAILED: {
    retriable: false,
    sentence: 'a handler failed for good and the policy is to stop',
  },
  SHOAL_HANDLER_TIMEOUT: { retriable: true, sentence: 'a handler took longer than its limit' },
  SHOAL_DEAD_LETTER_FAILED: {
    retriable: true,
    sentence: 'a record could not be written to the dead-letter topic',
  },
  SHOAL_INVALID_PAYLOAD: { retriable: false, sentence: 'a payload is not what the schema says' },
} as const satisfies Record<string, ErrorKind>

export type ErrorCode = keyof typeof errorTable

export interface ErrorOptions {
  readonly cause?: unknown
  /** What it concerns: topic, partition, group, address, limit. */
  readonly details?: Readonly<Record<string, string | number | boolean>>
}

/**
 * Every error that Shoal throws or rejects with.
 *
 * The message says what happened, to which topic, partition or group, and what to do: lower case, no full stop.
 */
export class ShoalError extends Error {
  readonly code: ErrorCode
  readonly retriable: boolean
  readonly details: Readonly<Record<string, string | number | boolean>>

  constructor(code: ErrorCode, message: string, { cause, details = {} }: ErrorOptions = {}) {
    super(message, cause === undefined ? undefined : { cause })
    this.name = 'ShoalError'
    this.code = code
    this.retriable = errorTable[code].retriable
    this.details = details
  }
}

/** The words of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
