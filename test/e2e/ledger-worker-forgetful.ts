/** The uneven work without memory of what finished beyond the committed position. */

import { options as uneven } from './ledger-worker-uneven.ts'
import type { ServiceOptions } from 'shoal'

export { handle } from './ledger-worker-uneven.ts'
export const options: ServiceOptions = { ...uneven, completionMemory: false }
