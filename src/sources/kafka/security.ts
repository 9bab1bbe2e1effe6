/**
 * How a client proves who it is and hides what it says: TLS and SASL, as options.
 */

import type { ConnectionOptions } from '@platformatic/kafka'

/** Node's TLS options: `ca`, `cert`, `key`, `servername`, ...; `{}` for the system's authorities. */
export type KafkaTls = NonNullable<ConnectionOptions['tls']>

export type KafkaSasl =
  | {
      readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512'
      readonly username: string
      readonly password: string
    }
  | { readonly mechanism: 'OAUTHBEARER'; readonly token: string | (() => string | Promise<string>) }
