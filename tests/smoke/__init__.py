"""For who has an AWS account: where the real AWS is not as the emulator of these tests has it.

A dozen questions to the real services, with the caller's own credentials: all of them only read,
and cost nothing. Each is also asked of the emulator, and where the two answers differ in shape,
both are shown. Nothing that is shown holds a secret: values are left out.

    questions   what is asked
    shapes      what is left of an answer without its values
"""
