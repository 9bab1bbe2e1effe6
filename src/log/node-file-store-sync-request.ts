/** What the sync thread and its owner say to each other: a request by shared memory, its answer by a message. */

/** What both threads see, by its places in an `Int32Array`. One request at a time: the next one waits for the answer. */
export const SharedPlace = {
  /** How many syncs were asked for. */
  count: 0,
  descriptor: 1,
} as const

export const SHARED_BYTES: number = 2 * Int32Array.BYTES_PER_ELEMENT

/** The error if there was one. */
export type SyncAnswer = { readonly message: string; readonly code: string } | null
