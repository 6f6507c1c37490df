//! One mail over SMTP (RFC 5321) as a conversation: what the server said goes in, what to say next comes out.
//!
//! Nothing here opens a socket or reads a clock.

use std::collections::VecDeque;

/// Longest reply that is listened to, in bytes, continuation lines included; a server that says more is not one.
const LONGEST_REPLY: usize = 64 * 1024;

/// What to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Wait for more of the reply.
    Wait,
    /// Say this.
    Say(String),
    /// The server has taken the mail; say this, and do not wait for the answer longer than one likes.
    Taken(String),
    /// All is said.
    Done,
}

/// Why the server does not take the mail.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refused {
    /// It answered something else than it should.
    #[error("the server answered `{reply}` to {to}")]
    Reply {
        /// What was said to it.
        to: String,
        /// Its last line.
        reply: String,
    },
    /// It takes mail for none of the recipients.
    #[error("the server refused every recipient, the last with `{0}`")]
    NoRecipient(String),
    /// It does not speak SMTP.
    #[error("the server does not speak SMTP: {0}")]
    Nonsense(&'static str),
}

/// Who a mail is from and for, and its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Envelope {
    /// Our name, for `HELO`.
    pub(super) helo: String,
    /// Address of the sender, without brackets.
    pub(super) from: String,
    /// Addresses of the recipients, without brackets.
    pub(super) to: Vec<String>,
    /// Headers, an empty line and the body, lines ended by `\n`.
    pub(super) message: String,
}

/// Where the conversation is: what the next reply answers.
#[derive(Clone, Debug)]
enum At {
    Greeting,
    Helo,
    From,
    Recipient(String),
    Data,
    Message,
    Quit,
}

/// A conversation with an SMTP server.
#[derive(Debug)]
pub(super) struct Dialogue {
    envelope: Envelope,
    at: At,
    /// Recipients that the server has not been told of.
    ahead: VecDeque<String>,
    accepted: usize,
    /// Recipients that the server does not want, with its words.
    pub(super) refused: Vec<(String, String)>,
    heard: Vec<u8>,
}

impl Dialogue {
    /// The conversation begins with the server's greeting.
    pub(super) fn new(envelope: Envelope) -> Self {
        Self {
            ahead: envelope.to.iter().cloned().collect(),
            envelope,
            at: At::Greeting,
            accepted: 0,
            refused: Vec::new(),
            heard: Vec::new(),
        }
    }

    /// The server said these bytes.
    pub(super) fn hear(&mut self, bytes: &[u8]) -> Result<Step, Refused> {
        self.heard.extend_from_slice(bytes);
        if self.heard.len() > LONGEST_REPLY {
            return Err(Refused::Nonsense("its reply has no end"));
        }
        while let Some(end) = self.heard.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.heard.drain(..=end).collect();
            let line = String::from_utf8_lossy(&line).trim_end().to_owned();
            let code = line.get(..3).and_then(|code| code.parse::<u16>().ok());
            let Some(code) = code.filter(|_| matches!(line.as_bytes().get(3), None | Some(b' ' | b'-')))
            else {
                return Err(Refused::Nonsense("its reply does not begin with a code"));
            };
            // RFC 5321 4.2.1: every line but the last has a hyphen after the code.
            if line.as_bytes().get(3) != Some(&b'-') {
                return self.answered(code, &line);
            }
        }
        Ok(Step::Wait)
    }

    fn answered(&mut self, code: u16, reply: &str) -> Result<Step, Refused> {
        let refused = |to: &str| Refused::Reply {
            to: to.to_owned(),
            reply: reply.to_owned(),
        };
        match (self.at.clone(), code) {
            (At::Greeting, 220) => {
                self.at = At::Helo;
                Ok(Step::Say(format!("HELO {}\r\n", self.envelope.helo)))
            }
            (At::Helo, 250) => {
                self.at = At::From;
                Ok(Step::Say(format!("MAIL FROM:<{}>\r\n", self.envelope.from)))
            }
            (At::From, 250) => self.next_recipient(reply),
            // RFC 5321 4.2.2: 251, user not local, will forward.
            (At::Recipient(_), 250 | 251) => {
                self.accepted += 1;
                self.next_recipient(reply)
            }
            (At::Recipient(recipient), _) => {
                self.refused.push((recipient, reply.to_owned()));
                self.next_recipient(reply)
            }
            (At::Data, 354) => {
                self.at = At::Message;
                Ok(Step::Say(transparent(&self.envelope.message)))
            }
            (At::Message, 250) => {
                self.at = At::Quit;
                Ok(Step::Taken("QUIT\r\n".to_owned()))
            }
            (At::Quit, _) => Ok(Step::Done),
            (At::Greeting, _) => Err(refused("the connection")),
            (At::Helo, _) => Err(refused("HELO")),
            (At::From, _) => Err(refused("MAIL FROM")),
            (At::Data, _) => Err(refused("DATA")),
            (At::Message, _) => Err(refused("the message")),
        }
    }

    fn next_recipient(&mut self, reply: &str) -> Result<Step, Refused> {
        if let Some(recipient) = self.ahead.pop_front() {
            let say = format!("RCPT TO:<{recipient}>\r\n");
            self.at = At::Recipient(recipient);
            return Ok(Step::Say(say));
        }
        if self.accepted == 0 {
            return Err(Refused::NoRecipient(reply.to_owned()));
        }
        self.at = At::Data;
        Ok(Step::Say("DATA\r\n".to_owned()))
    }
}

/// A message as it travels: lines ended by CRLF, a dot at the beginning of a line doubled (RFC 5321 4.5.2), and its end.
fn transparent(message: &str) -> String {
    let mut out = String::with_capacity(message.len() + 64);
    for line in message.lines() {
        if line.starts_with('.') {
            out.push('.');
        }
        out.push_str(line);
        out.push_str("\r\n");
    }
    out.push_str(".\r\n");
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dialogue(to: &[&str]) -> Dialogue {
        Dialogue::new(Envelope {
            helo: "lb1".to_owned(),
            from: "keepalived@lb1".to_owned(),
            to: to.iter().map(|&to| to.to_owned()).collect(),
            message: "Subject: x\n\n.hidden\n".to_owned(),
        })
    }

    fn talk(dialogue: &mut Dialogue, server: &[&str]) -> Result<Vec<String>, Refused> {
        let mut said = Vec::new();
        for line in server {
            match dialogue.hear(format!("{line}\r\n").as_bytes())? {
                Step::Wait => {}
                Step::Say(text) | Step::Taken(text) => said.push(text),
                Step::Done => said.push("end".to_owned()),
            }
        }
        Ok(said)
    }

    #[test]
    fn a_mail_goes_out() {
        let said = talk(
            &mut dialogue(&["a@x", "b@x"]),
            &[
                "220-mx",
                "220 ready",
                "250 hello",
                "250 ok",
                "250 ok",
                "251 ok",
                "354 go",
                "250 queued",
                "221 bye",
            ],
        );
        let expected = [
            "HELO lb1\r\n",
            "MAIL FROM:<keepalived@lb1>\r\n",
            "RCPT TO:<a@x>\r\n",
            "RCPT TO:<b@x>\r\n",
            "DATA\r\n",
            "Subject: x\r\n\r\n..hidden\r\n.\r\n",
            "QUIT\r\n",
            "end",
        ];
        assert_eq!(said.unwrap(), expected);
    }

    #[test]
    fn one_recipient_that_is_refused_does_not_cost_the_others_their_mail() {
        let mut dialogue = dialogue(&["gone@x", "b@x"]);
        let server = [
            "220 ready",
            "250 hello",
            "250 ok",
            "550 no such user",
            "250 ok",
            "354 go",
            "250 queued",
        ];
        assert!(talk(&mut dialogue, &server).is_ok());
        assert_eq!(
            dialogue.refused,
            [("gone@x".to_owned(), "550 no such user".to_owned())]
        );
    }

    #[test]
    fn no_recipient_at_all_is_a_refusal() {
        let server = ["220 ready", "250 hello", "250 ok", "550 no"];
        assert_eq!(
            talk(&mut dialogue(&["a@x"]), &server),
            Err(Refused::NoRecipient("550 no".to_owned()))
        );
    }

    #[test]
    fn wrong_codes_end_it_with_the_server_s_words() {
        let refused = talk(&mut dialogue(&["a@x"]), &["554 go away"]).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "the server answered `554 go away` to the connection"
        );
    }

    #[test]
    fn what_is_no_smtp_ends_it() {
        assert!(matches!(
            talk(&mut dialogue(&["a@x"]), &["SSH-2.0-x"]),
            Err(Refused::Nonsense(_))
        ));
        assert!(matches!(
            dialogue(&["a@x"]).hear(&vec![b'2'; 70_000]),
            Err(Refused::Nonsense(_))
        ));
        assert_eq!(dialogue(&["a@x"]).hear(b"220 rea"), Ok(Step::Wait));
    }
}
