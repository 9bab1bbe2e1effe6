/** The id of no topic: sixteen zero bytes, what a uuid field holds where a version or a sender has none. */
export const ZERO_UUID = 'AAAAAAAAAAAAAAAAAAAAAA'
