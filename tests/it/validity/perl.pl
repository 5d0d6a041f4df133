# What MIME-tools sees in mails: one JSON line a file: kinds of parts, errors and warnings, leaves by hash.
#
# Usage: perl.pl FILE...
use strict;
use warnings;
use Digest::SHA qw(sha256_hex);
use JSON::PP;
use MIME::Parser;

my $json = JSON::PP->new->canonical;
for my $path (@ARGV) {
    my $parser = MIME::Parser->new;
    $parser->output_to_core(1);
    $parser->tmp_to_core(1);
    $parser->extract_nested_messages(1);
    $parser->max_parts(2000);
    my (@tree, @leaves);
    my $mail = eval { $parser->parse_open($path) };
    my @defects = map { s/\d+/N/gr } $parser->results->errors;
    push @defects, "dies" unless $mail;
    my $walk;
    $walk = sub {
        my ($part, $depth) = @_;
        push @tree, "$depth " . lc $part->mime_type;
        my @parts = $part->parts;
        $walk->($_, $depth + 1) for @parts;
        return if @parts || !$part->bodyhandle;
        my $octets = $part->bodyhandle->as_string;
        $octets =~ s/[\r\n]+\z//;
        push @leaves, substr sha256_hex($octets), 0, 16;
    };
    $walk->($mail, 0) if $mail;
    my %once = map { $_ => 1 } @defects;
    print $json->encode({ tree => \@tree, defects => [sort keys %once], leaves => \@leaves }), "\n";
}
