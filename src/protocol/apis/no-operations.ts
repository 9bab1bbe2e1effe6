/** The value of an `authorizedOperations` field when nobody asked for it: Kafka's smallest int32. */
export const NO_OPERATIONS = -2_147_483_648
