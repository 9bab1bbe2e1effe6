/** Redis answers texts as bytes. */

const utf8 = new TextDecoder('utf-8', { ignoreBOM: true })

/** The text of a bulk string or number; '' for what is not there. */
export function textOf(bytes: unknown): string {
  if (bytes instanceof Uint8Array) return utf8.decode(bytes)
  return typeof bytes === 'string' || typeof bytes === 'number' ? String(bytes) : ''
}
