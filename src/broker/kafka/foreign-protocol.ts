/**
 * What a peer speaks that is not Kafka, told by the first four bytes, for a log line that helps.
 *
 * Kafka's first four bytes are a size, so `GET ` is a request of 1.2 GB and a TLS hello one of 369 MB.
 */

export function foreignProtocol(size: number): string | null {
  const head = new Uint8Array(4)
  new DataView(head.buffer).setInt32(0, size)
  if (head[0] === 0x16 && head[1] === 0x03)
    return 'a TLS hello: this listener speaks plain text, set security.protocol=PLAINTEXT'
  const text = String.fromCharCode(...head)
  if (HTTP.has(text)) return 'an HTTP request: this is the Kafka port, the HTTP API has another'
  if (text === 'SSH-') return 'an SSH client'
  return null
}

const HTTP: ReadonlySet<string> = new Set([
  'GET ',
  'PUT ',
  'POST',
  'HEAD',
  'PATC',
  'DELE',
  'OPTI',
  'CONN',
  'PRI ',
])
