/**
 * A second listener for a real Kafka: TLS with a certificate of its own, and SASL logins (PLAIN, SCRAM).
 *
 * The node keeps its plain listener, by which tests prepare and look. The certificate is made by the Java machine's
 * keytool for 127.0.0.1 and signs itself.
 */

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { run } from './program.ts'

export interface Login {
  readonly username: string
  readonly password: string
}

const STORE_PASSWORD = 'only-for-tests'

/** Makes the key store in `folder`; answers the certificate as PEM text. */
export async function makeCertificate(folder: string): Promise<string> {
  const store = ['-keystore', storePath(folder), '-storepass', STORE_PASSWORD, '-alias', 'kafka']
  await keytool([
    '-genkeypair',
    ...store,
    ...'-storetype PKCS12 -keyalg RSA -validity 3650'.split(' '),
    ...'-dname CN=localhost -ext SAN=IP:127.0.0.1,DNS:localhost'.split(' '),
  ])
  const certificate = join(folder, 'kafka.pem')
  await keytool(['-exportcert', '-rfc', ...store, '-file', certificate])
  return readFile(certificate, 'utf8')
}

/** The settings of the secure listener on `port`, to be put over those of a plain node. */
export function secureProperties(
  folder: string,
  ports: { readonly plain: number; readonly controller: number; readonly secure: number },
  login: Login,
): Readonly<Record<string, string>> {
  const plainJaas = `org.apache.kafka.common.security.plain.PlainLoginModule required user_${login.username}="${login.password}";`
  const scramJaas = 'org.apache.kafka.common.security.scram.ScramLoginModule required;'
  const listener = 'listener.name.sasl_ssl'
  return {
    listeners: `PLAINTEXT://127.0.0.1:${ports.plain},CONTROLLER://127.0.0.1:${ports.controller},SASL_SSL://127.0.0.1:${ports.secure}`,
    'advertised.listeners': `PLAINTEXT://127.0.0.1:${ports.plain},SASL_SSL://127.0.0.1:${ports.secure}`,
    'listener.security.protocol.map': 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL',
    'inter.broker.listener.name': 'PLAINTEXT',
    'sasl.enabled.mechanisms': 'PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    [`${listener}.plain.sasl.jaas.config`]: plainJaas,
    [`${listener}.scram-sha-256.sasl.jaas.config`]: scramJaas,
    [`${listener}.scram-sha-512.sasl.jaas.config`]: scramJaas,
    [`${listener}.ssl.keystore.location`]: storePath(folder),
    [`${listener}.ssl.keystore.password`]: STORE_PASSWORD,
    [`${listener}.ssl.keystore.type`]: 'PKCS12',
  }
}

function storePath(folder: string): string {
  return join(folder, 'kafka.p12')
}

async function keytool(args: readonly string[]): Promise<void> {
  const { exitCode, stdout, stderr } = await run('keytool', args)
  if (exitCode !== 0) throw new Error(`keytool failed:\n${stdout}\n${stderr}`)
}
