"""How fast mails leave: this program from segment to durable result, beside other senders, into Postfix's smtp-sink."""
