/**
 * Run an unmodified Linux application as a virtual machine of its own, described in a Pulumi program.
 *
 * @packageDocumentation
 */
export {};
