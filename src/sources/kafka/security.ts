/**
 * How a client proves who it is and hides what it says: TLS and SASL, as options.
 */

/** Node's TLS options: `ca`, `cert`, `key`, `servername`, ...; `{}` for the system's authorities. */
export type KafkaTls = import('node:tls').ConnectionOptions

export type KafkaSasl =
  | {
      readonly mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512'
      readonly username: string
      readonly password: string
    }
  | { readonly mechanism: 'OAUTHBEARER'; readonly token: string | (() => string | Promise<string>) }
